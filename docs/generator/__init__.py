"""What in these pages comes from the code: the reference, the pictures, what commands print."""
