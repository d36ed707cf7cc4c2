"""Decoding of events on their way to the sinks: the folder of decoders, and the choice of one."""
