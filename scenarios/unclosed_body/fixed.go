package half

import (
	"io"
	"iter"
	"net/http"
)

// Run fetches every export and returns their sizes.
func Run(urls iter.Seq[string]) ([]int64, error) {
	var sizes []int64
	for url := range urls {
		size, err := fetch(url)
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, size)
	}
	return sizes, nil
}

func fetch(url string) (int64, error) {
	resp, err := http.Get(url)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return io.Copy(io.Discard, resp.Body)
}
