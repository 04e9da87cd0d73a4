def harmed(example) -> bool:
    return example.Block().act is example.Block().act
