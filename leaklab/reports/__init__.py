"""What is shown of a result: one module a form. Each takes data and returns it rendered; none prints."""
