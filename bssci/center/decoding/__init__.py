"""From raw events to events with readings, on the way out: the folder of decoders, and who decodes what."""
