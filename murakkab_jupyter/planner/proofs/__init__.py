"""What joins plans to the exact problem: a workflow posed as one, bounds on what any plan could do, proofs."""
