package half

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"iter"
)

var latest []byte // the head of the last pages, for the service's /debug page

// Run computes the checksum of size bytes of pages, then puts it on the label of every job.
func Run(page string, size int, jobs iter.Seq[int]) []string {
	pages := bytes.Repeat([]byte(page), size/len(page))
	checksum := crc32.ChecksumIEEE(pages)
	latest = bytes.Clone(pages[:64])

	var labels []string
	for job := range jobs {
		labels = append(labels, fmt.Sprintf("%08x-%d", checksum, job))
	}
	return labels
}
