package lab

// PauseName is the image that holds a Pod's namespaces on a real node.
const PauseName = "localhost/pause:test"
