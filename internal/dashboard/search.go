package dashboard

import (
	"net/http"
	"strconv"
	"strings"
)

// perPage is the number of rows of a page.
const perPage = 100

// maxQuery bounds what is searched for.
const maxQuery = 200

// query is what a reader looks for; all words have to be found.
type query struct {
	Text  string
	words []string
}

func queryOf(r *http.Request) query {
	text := strings.TrimSpace(r.URL.Query().Get("q"))
	text = strings.ToValidUTF8(text[:min(len(text), maxQuery)], "")
	return query{text, strings.Fields(strings.ToLower(text))}
}

// finds reports whether every word is in one of the texts.
func (q query) finds(texts ...string) bool {
	for _, w := range q.words {
		found := false
		for _, t := range texts {
			if strings.Contains(strings.ToLower(t), w) {
				found = true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

// paging is which rows of many are shown.
type paging struct {
	// Of is the number of all rows, From and To the shown ones from 1.
	Of, From, To int
	// Page and Pages count from 1.
	Page, Pages int
	// Previous and Next are URLs, "" for none.
	Previous, Next string
}

// paginate cuts the page that was asked for out of a list.
func paginate[T any](r *http.Request, list []T) ([]T, paging) {
	pages := max(1, (len(list)+perPage-1)/perPage)
	n, err := strconv.Atoi(r.URL.Query().Get("page"))
	if err != nil {
		n = 1
	}
	n = min(max(n, 1), pages)
	from, to := (n-1)*perPage, min(n*perPage, len(list))
	p := paging{Of: len(list), From: min(from+1, to), To: to, Page: n, Pages: pages}
	at := func(n int) string {
		q := r.URL.Query()
		q.Set("page", strconv.Itoa(n))
		return r.URL.Path + "?" + q.Encode()
	}
	if n > 1 {
		p.Previous = at(n - 1)
	}
	if n < pages {
		p.Next = at(n + 1)
	}
	return list[from:to], p
}

// choice is one of several ways to look at a list.
type choice struct {
	Name, Link string
	Count      int
	Current    bool
}
