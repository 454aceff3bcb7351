"""Kinds of task: one file each says how its data is read, split, batched and evaluated."""
