package metrics

// Memory is how much of it is in use, and what is done without because of that.
type Memory struct {
	Limit, Used int64
	Step        int
	Changes     uint64
}

func memoryGroup(read func() Memory) group {
	return group{
		metrics: []metric{
			{name: "daemun_memory_limit_bytes", help: "Limit of memory that load is shed for, 0 for none.", kind: gauge},
			{name: "daemun_memory_live_bytes", help: "Memory that is compared with the limit: live objects and stacks; 0 without a limit.", kind: gauge},
			{name: "daemun_overload_step", help: "What is done without for want of memory: 1 idle connections and bodies in memory, 2 requests, 3 new connections; 0 is nothing.", kind: gauge},
			{name: "daemun_overload_changes_total", help: "Changes of that.", kind: counter},
		},
		collect: func(emit emitter) {
			m := read()
			emit(0, float64(m.Limit))
			emit(1, float64(m.Used))
			emit(2, float64(m.Step))
			emit(3, float64(m.Changes))
		},
	}
}
