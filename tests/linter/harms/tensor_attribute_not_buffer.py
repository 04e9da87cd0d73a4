def harmed(example) -> bool:
    return example.Causal(4).to("meta").mask.device.type != "meta"
