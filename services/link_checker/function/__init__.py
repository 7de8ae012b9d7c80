"""The link checker as a serverless function: the same visits, without schedule and memory."""
