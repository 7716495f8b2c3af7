package half

import (
	"io"
	"iter"
	"net/http"
)

// Run returns the first 16 characters of every dossier.
func Run(urls iter.Seq[string]) ([]string, error) {
	var heads []string
	for url := range urls {
		resp, err := http.Get(url)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		head := make([]byte, 16)
		if _, err := io.ReadFull(resp.Body, head); err != nil {
			return nil, err
		}
		heads = append(heads, string(head))
	}
	return heads, nil
}
