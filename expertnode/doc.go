// Package expertnode is the process that holds experts and computes them for
// routers. It is stateless: what it holds follows from the placement document.
//
// Files: run (the process), assignment and holder (which experts are in memory),
// stream (one router's lane), queue and batch (from waiting requests to answers),
// describe and http (what others can see), drain (the way out).
package expertnode
