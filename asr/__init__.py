"""From a folder of recordings with transcripts to a measured speech recogniser."""

__version__ = "0.1.0"
