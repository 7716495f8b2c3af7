run = 5
