package console

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
)

// narrowed keeps the items with the labels that are asked for, in the order
// that is asked for.
func narrowed(raw json.RawMessage, s Selection) (json.RawMessage, error) {
	if s.Labels == nil && s.SortBy == "" {
		return raw, nil
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, err
	}
	if s.Labels != nil {
		items = slices.DeleteFunc(items, func(item json.RawMessage) bool { return !labelled(item, s.Labels) })
	}
	if s.SortBy != "" {
		if err := sortBy(items, s.SortBy); err != nil {
			return nil, err
		}
	}
	if items == nil {
		items = []json.RawMessage{}
	}
	return json.Marshal(items)
}

func labelled(item json.RawMessage, selector labels.Selector) bool {
	var object struct {
		Metadata struct {
			Labels labels.Set `json:"labels"`
		} `json:"metadata"`
	}
	return json.Unmarshal(item, &object) == nil && selector.Matches(object.Metadata.Labels)
}

// sortBy orders items by one field of each, numbers by their size. Those
// without the field come first; a field that no item has is a mistake.
func sortBy(items []json.RawMessage, path string) error {
	type keyed struct {
		key  any
		item json.RawMessage
	}
	list := make([]keyed, len(items))
	found := len(items) == 0
	for i, item := range items {
		list[i] = keyed{fieldAt(item, fieldPath(path)), item}
		found = found || list[i].key != nil
	}
	if !found {
		return fmt.Errorf("--sort-by %q: no item has this field: write one as -o json shows it, such as .metadata.name", path)
	}
	slices.SortStableFunc(list, func(a, b keyed) int { return compareValues(a.key, b.key) })
	for i, k := range list {
		items[i] = k.item
	}
	return nil
}

// fieldPath reads ".metadata.name", "metadata.name" and "{.metadata.name}".
func fieldPath(path string) []string {
	return strings.Split(strings.TrimPrefix(strings.Trim(path, "{}"), "."), ".")
}

func fieldAt(item json.RawMessage, path []string) any {
	var at any
	decoder := json.NewDecoder(bytes.NewReader(item))
	if decoder.Decode(&at) != nil {
		return nil
	}
	for _, name := range path {
		object, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = object[name]
	}
	return at
}

func compareValues(a, b any) int {
	if x, ok := a.(float64); ok {
		if y, ok := b.(float64); ok {
			return cmp.Compare(x, y)
		}
	}
	return cmp.Compare(valueText(a), valueText(b))
}

func valueText(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}
