"""Nothing left behind: a full picture of a process and a model before and after, beside a twin that ran plainly."""
