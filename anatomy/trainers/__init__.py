"""A trainer's own file -> the recipe that it would run. One table per trainer; nothing of the trainers is imported."""
