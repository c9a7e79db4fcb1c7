// Package weightcache keeps what is made of weights from one start to the next:
// a file for each part of a model (an expert, a matrix of the trunk).
//
// A part that is missing, damaged or of another model is made again by the caller
// and replaces what was there: nothing in a cache can make an answer wrong, or a
// process fail. Files appear by renaming, so any number of processes may share a
// folder. A folder that cannot be written, or a full disk, only means that nothing
// is kept; the log says so once.
//
//	DIR/KEY/PART   KEY: what the parts were made of, 16 hex digits (docs/adr/0099)
//
// # Files
//
//	cache         what the folders are, and what became of each part
//	file          how a part and its digest lie in a file
//	load, mapped  a part into memory: read, or mapped where the kernel does that by huge pages
//	store, room   a part into a file, if there is room for it
//	prune         what goes when it is no longer used
package weightcache
