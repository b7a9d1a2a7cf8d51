FILES: dict = {}
