// Package expertnode is the process that holds experts and computes them for
// routers. It is stateless: what it holds follows from the placement document.
//
// Files: options, run and node (the process, and its way out); assignment, holder,
// loaders and quantise (which experts are in memory, and how they come there);
// streams, stream and room (routers' lanes, and what they may be owed), queue, batch and gather (from waiting
// requests to answers); load and metrics (what was done), describe and http (what others can see).
package expertnode
