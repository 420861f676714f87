"""Formats of annotation tools and published data sets, one file each: readers, and writers for labelling."""
