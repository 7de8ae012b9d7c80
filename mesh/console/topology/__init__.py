"""The picture of the mesh: who is there, who calls whom, where each stands on the page."""
