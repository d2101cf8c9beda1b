package annotation

// Lookup returns the row of an annotation by its name without prefix, or by an
// alias.
func Lookup(name string) (Row, bool) {
	i, ok := byName[name]
	if !ok {
		return Row{}, false
	}
	return rows[i], true
}

// SetDefault gives an annotation another default: v becomes what Ingresses
// without it have. The error is that of a bad value, which changes nothing. An
// annotation that is not supported has no default to change.
func SetDefault(name, value string, v *Values) error {
	r, ok := Lookup(name)
	if !ok || r.Support != Supported {
		return nil
	}
	changed := *v
	changed.Draft = new(*v.Draft)
	if err := r.parse(value, &changed); err != nil {
		return err
	}
	*v = changed
	return nil
}
