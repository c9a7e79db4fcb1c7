package load

// Summary is the load of a pool in a window.
type Summary struct {
	Answered int `json:"answered"` // nodes
	Expected int `json:"expected"`
	// Seconds that the window covers on the node that covers least: a planner
	// should wait until that is a whole window.
	Seconds         float64 `json:"seconds"`
	TokensPerSecond float64 `json:"tokens_per_second"` // through the model, prompts and answers together
	// Balancedness of each layer, as measured: mean node's rows a second / busiest
	// node's. 1 is perfect, and what a layer without load has.
	Balancedness []float64 `json:"balancedness"`
	Hottest      *Hot      `json:"hottest,omitempty"` // nil without load
	Busiest      *Busy     `json:"busiest,omitempty"` // nil without nodes
}

// Hot is an expert that gets more than its part.
type Hot struct {
	Layer     int     `json:"layer"`
	Expert    int     `json:"expert"`
	Share     float64 `json:"share"`      // of its layer's rows, 0 to 1
	TimesMean float64 `json:"times_mean"` // of the layer's experts
}

// Busy is a node that computes more of the time than others.
type Busy struct {
	Node             string  `json:"node"`
	Utilization      float64 `json:"utilization"` // 0 to 1
	MeanQueueSeconds float64 `json:"mean_queue_seconds"`
}

// Rows adds up the rows of every layer and expert over nodes: what a planner
// takes as loads, [layer][expert]. Nodes are of one shape; nil without nodes. It
// adds numbers, not rates: an expert that has moved within the window counts once,
// part of it on each node.
func Rows(nodes []*Node) [][]float64 {
	return addParts(nodes, func(n *Node) Matrix { return n.Rows }, func(*Node) float64 { return 1 })
}

// addParts adds up a part of each node's counts.
func addParts(nodes []*Node, of func(*Node) Matrix, part func(*Node) float64) [][]float64 {
	if len(nodes) == 0 {
		return nil
	}
	sum := make([][]float64, nodes[0].Layers())
	for l := range sum {
		sum[l] = make([]float64, nodes[0].Experts())
		for _, n := range nodes {
			share := part(n)
			for e, v := range of(n)[l] {
				sum[l][e] += share * float64(v)
			}
		}
	}
	return sum
}

// Sum summarises the windows of the nodes that answered, which are of one shape;
// expected is how many were asked.
func Sum(nodes []*Node, expected int) Summary {
	s := Summary{Answered: len(nodes), Expected: expected}
	if len(nodes) == 0 {
		return s
	}
	rows := 0.0
	s.Seconds = nodes[0].Seconds
	for _, n := range nodes {
		s.Seconds = min(s.Seconds, n.Seconds)
		rows += n.RowsPerSecond()
	}
	s.TokensPerSecond = rows / float64(nodes[0].Layers()*max(1, nodes[0].ExpertsPerToken))
	for l := range nodes[0].Rows {
		s.Balancedness = append(s.Balancedness, balancedness(nodes, l))
	}
	s.Hottest = hottest(Rows(nodes))
	s.Busiest = busiest(nodes)
	return s
}

// balancedness uses rates, so that a node that has just started counts as what it
// does now.
func balancedness(nodes []*Node, layer int) float64 {
	sum, worst := 0.0, 0.0
	for _, n := range nodes {
		rate := n.PerSecond(float64(Total(n.Rows[layer])))
		sum += rate
		worst = max(worst, rate)
	}
	if worst == 0 {
		return 1
	}
	return sum / float64(len(nodes)) / worst
}

// hottest is the expert with the most rows in relation to its layer's mean; the
// first of equals.
func hottest(rows [][]float64) (hot *Hot) {
	for l, layer := range rows {
		sum := Total(layer)
		for e, v := range layer {
			if v > 0 && (hot == nil || v/sum*float64(len(layer)) > hot.TimesMean) {
				hot = &Hot{Layer: l, Expert: e, Share: v / sum, TimesMean: v / sum * float64(len(layer))}
			}
		}
	}
	return hot
}

// busiest is the node with the highest utilisation; the first of equals.
func busiest(nodes []*Node) (b *Busy) {
	for _, n := range nodes {
		if u := n.Utilisation(); b == nil || u > b.Utilization {
			b = &Busy{Node: n.Name, Utilization: u, MeanQueueSeconds: n.MeanQueue().Seconds()}
		}
	}
	return b
}
