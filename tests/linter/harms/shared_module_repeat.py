def harmed(example) -> bool:
    body = example.Net().body
    return body[0] is body[1]
