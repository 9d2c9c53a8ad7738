"""What a sweep's trials say about its parameters; lower losses are better."""
