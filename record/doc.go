// Package record keeps what a run did, so that parties who do not trust each
// other can look at it: who called whom, what was proposed and voted for, which
// policy and host data were meant and met, what was checked, and how many rows
// left.
//
// Nothing is recorded unless a program asks for it. Each process has a
// [Recorder] that writes one JSON line for each exchange and fact as it
// happens:
//
//	file, err := os.Create("publisher.record")
//	r := record.New("publisher", file, nil)
//	options := azcore.ClientOptions{PerRetryPolicies: []policy.Policy{r}}
//	ledger, err := governance.NewClient(url, member, &governance.ClientOptions{Transport: r.Wrap})
//	r.Add(record.Entry{Step: &record.Step{Text: "joined"}})
//
// Afterwards [Read] merges the records of all processes by their times, which
// is as exact as the clocks of their machines are equal. The [Record] is drawn
// by [Record.WriteMermaid] as a sequence diagram and by [Record.WriteHTML] as
// one page that needs no network, no script and no other file.
//
// # What is kept, and what never is
//
// Of an exchange: method, host, path, the names of query parameters and the
// values of a few harmless ones, the sizes and shapes of the bodies (names and
// kinds of JSON, never a value), status, time and whether a connection was
// opened. Headers, values of bodies, the other values of queries and the texts
// of errors are not looked at, so that no token, key, password, shared access
// signature or wrapped key can reach a record. A segment of a path that is
// longer than any name is replaced by its length. Facts are the words of the
// application: it must not say a secret.
//
// # Bounds
//
// A Recorder uses the same memory however long the run is: 1 MiB for each body
// of JSON under way, and nothing that stays. It writes at most
// [Options.MaxEntries] exchanges and as many facts, and counts the rest. Read
// refuses lines beyond 64 KiB and keeps 20,000 entries and 32 MiB; a page draws
// the first 1,500 arrows and lists the first 3,000 exchanges. What is left out
// is counted and said.
//
// # Errors
//
// Recording never changes how a run ends: the first error of the writer is kept
// and returned by [Recorder.Close]. A nil *Recorder records nothing, so that a
// program need not ask whether it is recorded.
package record
