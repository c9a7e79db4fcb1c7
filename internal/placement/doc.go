// Package placement says which node holds which experts: what is published, and what must
// hold of it. It imports nothing but the standard library, so that whoever reads a
// placement needs nothing else. Package planner finds out which node should hold what.
//
//	placement, validate   Placement, Node, Document, and what must hold of them
//	size                  how large a model may be
//	text                  a node's experts as the API writes them
//	choose                which of a Document's placements a router's calls use
//	diff                  what nodes load to get from one placement to the next
//	balance               how even a placement is under given loads
package placement
