package record

import (
	"bufio"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

// pageTemplate escapes by context whatever the parties and services have said.
var pageTemplate = template.Must(template.New("page").Parse(pageText))

// maxListed is how many exchanges a page lists one by one.
const maxListed = 3000

// PageOptions are the options of [Record.WriteHTML]. nil works.
type PageOptions struct {
	// Title is the heading; empty means "Clean room run".
	Title string
	// Labels are names for hosts, such as "database" for an address, in place
	// of those that the page makes from the ends of Azure's names.
	Labels map[string]string
}

// page is what the template shows. All of it is text and numbers.
type page struct {
	Title    string
	Style    template.CSS
	Denied   bool
	Began    string
	Tiles    []tile
	Denials  []verdictView
	Diagram  diagram
	Timeline timeline

	Proposals    []proposalView
	Measurements []measurementView
	Verdicts     []verdictView
	Amounts      []amountView
	Requests     matrix
	Exchanges    []exchangeView
	Unlisted     int
	Omitted      int
	Mermaid      string
}

type tile struct{ Name, Value string }

// WriteHTML writes the run as one page: an HTML document with its style and
// drawings inside, without script and without any address to fetch.
func (r *Record) WriteHTML(w io.Writer, opts *PageOptions) error {
	r = r.bounded()
	p := page{Title: "Clean room run", Style: template.CSS(pageStyle), Omitted: r.Omitted}
	labels := map[string]string(nil)
	if opts != nil {
		p.Title, labels = first(opts.Title, p.Title), opts.Labels
	}
	parties := r.parties()
	p.Denials = r.verdicts(parties, true)
	p.Verdicts = r.verdicts(parties, false)
	p.Denied = len(p.Denials) > 0
	p.Diagram = r.diagram(parties, labels)
	p.Timeline = r.timeline(parties)
	p.Proposals = r.proposals(parties)
	p.Measurements = r.measurements(parties)
	p.Amounts = r.amounts(parties)
	p.Requests = r.matrix(parties)
	p.Exchanges, p.Unlisted = r.exchanges(parties)
	if len(r.Entries) > 0 {
		p.Began = r.Entries[0].Time.UTC().Format("2 January 2006, 15:04:05 UTC")
	}
	p.Tiles = r.tiles(&p, len(parties))
	var m strings.Builder
	if err := r.WriteMermaid(&m); err != nil {
		return err
	}
	p.Mermaid = m.String()
	b := bufio.NewWriter(w)
	if err := pageTemplate.Execute(b, p); err != nil {
		return fmt.Errorf("record: write the page: %w", err)
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("record: write the page: %w", err)
	}
	return nil
}

// parties gives each party its colour: the place in which it first appears.
func (r *Record) parties() map[string]int {
	const colours = 6
	places := map[string]int{}
	for _, e := range r.Entries {
		if _, there := places[e.Party]; !there {
			places[e.Party] = len(places) % colours
		}
	}
	return places
}

func (r *Record) tiles(p *page, parties int) []tile {
	exchanges, connections, votes, passed, failed := 0, 0, 0, 0, 0
	for _, e := range r.Entries {
		if e.Exchange != nil {
			exchanges++
			if e.Exchange.NewConnection {
				connections++
			}
		}
		if e.Vote != nil {
			votes++
		}
		if e.Verdict != nil {
			for _, c := range e.Verdict.Checks {
				if c.Passed {
					passed++
				} else {
					failed++
				}
			}
		}
	}
	tiles := []tile{
		{"time", duration(p.Timeline.Total)}, {"parties", fmt.Sprint(parties)}, {"requests", fmt.Sprint(exchanges)},
		{"connections", fmt.Sprint(connections)}, {"votes", fmt.Sprint(votes)}, {"checks passed", fmt.Sprint(passed)},
	}
	if failed > 0 {
		tiles = append(tiles, tile{"checks failed", fmt.Sprint(failed)})
	}
	for _, a := range p.Amounts {
		if a.Unit == "rows" {
			return append(tiles, tile{"rows", a.Value})
		}
	}
	return tiles
}

// duration is a time for people.
func duration(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// size is a number of bytes for people; negative is not known.
func size(n int64) string {
	switch {
	case n < 0:
		return "?"
	case n < 1024:
		return fmt.Sprintf("%d B", n)
	}
	value, i := float64(n)/1024, 0
	for value >= 1024 && i < 5 {
		value, i = value/1024, i+1
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTPE"[i])
}
