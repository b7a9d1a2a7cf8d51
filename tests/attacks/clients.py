CLIENTS: dict = {}
