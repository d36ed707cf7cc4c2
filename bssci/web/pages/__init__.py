"""The pages: which there are, what each shows, and how it is drawn."""
