"""What a program that runs on meta tensors is told when it asks for data: the truth, a stated assumption, or nothing."""
