"""Bodies and queries of requests, and answers, as structs: one module a subject."""
