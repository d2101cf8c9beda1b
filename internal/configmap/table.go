package configmap

import "slices"

// rows is the table. To support another key give its row a parser, or name the
// annotation whose default it is. It is never written.
var rows = slices.Concat(
	clientRows, backendRows, guardRows, logRows, nginxRows,
)
