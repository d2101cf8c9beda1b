package standalone

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// echoImage is the image that is built into the Daemun binary.
const echoImage = "daemun/echo"

// untagged is an image name without tag and digest. A colon before the last
// slash belongs to a registry's port.
func untagged(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if colon := strings.LastIndexByte(image, ':'); colon > strings.LastIndexByte(image, '/') {
		image = image[:colon]
	}
	return image
}

// entrypoint is what an image stands for on this machine; hint says how to
// give it a meaning when it has none.
func (c *Config) entrypoint(image string) (argv []string, hint string) {
	for _, name := range []string{image, untagged(image)} {
		if path, ok := c.Images[name]; ok {
			return []string{path}, ""
		}
	}
	name := strings.TrimPrefix(untagged(image), "docker.io/")
	if name == echoImage && c.Self != "" {
		return []string{c.Self, "echo"}, ""
	}
	return nil, fmt.Sprintf("image %q has no program on this machine; name one with --image %s=PATH, or give the container a command", image, untagged(image))
}

// argv is the command line of a container: command and args over the image's
// own entry point.
func (c *Config) argv(ct *corev1.Container, env *environment) (argv []string, hint string) {
	if len(ct.Command) > 0 {
		for _, a := range ct.Command {
			argv = append(argv, expand(a, env.get))
		}
	} else if argv, hint = c.entrypoint(ct.Image); hint != "" {
		return nil, hint
	}
	for _, a := range ct.Args {
		argv = append(argv, expand(a, env.get))
	}
	return argv, ""
}
