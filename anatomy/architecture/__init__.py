"""Blueprint -> Anatomy: the model as a tree of counted parts."""
