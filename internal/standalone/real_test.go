package standalone

// helperArg makes the test binary behave as a container's program.
const helperArg = "container-helper"

func helper([]string) {}
