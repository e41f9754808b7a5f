"""Model servers: attached by their URL, or started on a worker that has room for them."""
