"""What is made of a load: it is started (`driving`), watched (`resources`, `slow`, `live`) and told
(`report`, `capacity`, `comparing`). What is sent stands in `loadtest/`.
"""
