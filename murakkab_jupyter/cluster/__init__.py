"""WHERE: the Dask driver of the run loop, instances, media shipping."""
