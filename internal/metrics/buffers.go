package metrics

// Buffers is what bodies of messages take that are buffered, and responses that
// could not be compressed because too many others were.
type Buffers struct {
	Memory, Disk                  int64
	Files, Failures, Uncompressed uint64
}

func buffersGroup(read func() Buffers) group {
	return group{
		metrics: []metric{
			{name: "daemun_body_buffer_bytes", help: "Octets of bodies that are buffered now, by where they are.", kind: gauge, labels: []string{"place"}},
			{name: "daemun_body_files_total", help: "Temporary files made for bodies.", kind: counter},
			{name: "daemun_body_file_failures_total", help: "Times that a temporary file could not be made or written.", kind: counter},
			{name: "daemun_uncompressed_responses_total", help: "Responses not compressed because too many others were being so.", kind: counter},
		},
		collect: func(emit emitter) {
			b := read()
			emit(0, float64(b.Memory), "memory")
			emit(0, float64(b.Disk), "disk")
			emit(1, float64(b.Files))
			emit(2, float64(b.Failures))
			emit(3, float64(b.Uncompressed))
		},
	}
}
