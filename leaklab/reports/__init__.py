"""Reports, one module per form. Each takes data and returns it rendered; none of them prints."""
