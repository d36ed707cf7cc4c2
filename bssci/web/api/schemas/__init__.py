"""What requests may say and what is answered, as structs: one module a subject."""
