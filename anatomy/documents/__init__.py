"""What to say: a value -> a Document of sentences, facts, tables and bars. Pure; how it looks is `render`'s."""
