// The Go side of the log's tests: golang.org/x/mod/sumdb/note and tlog judge what rlsguard.tlog made, and make what it
// is to judge. One JSON object a line comes in, one answer a line goes out.
package main

import (
	"bufio"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A request says what to do, and with what. Byte slices are base64 in JSON.
type request struct {
	Op     string
	Leaves []tlog.Hash
	Size   int64
	Old    int64
	Index  int64
	Root   tlog.Hash
	Before tlog.Hash
	Leaf   tlog.Hash
	Proof  []tlog.Hash
	Note   []byte
	Text   string
	Keys   []string
	Time   uint64
	Level  int
	Width  int
}

type answer struct {
	Error  string
	Hash   tlog.Hash
	Hashes []tlog.Hash
	Note   []byte
	Text   string
	Names  []string
	Times  []uint64
	Key    string
	Secret string
	Data   []byte
}

// The one tree that this process holds: how many leaves it has, and its stored hashes.
var (
	size   int64
	stored []tlog.Hash
)

func read(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if index >= int64(len(stored)) {
			return nil, errors.New("not stored")
		}
		hashes[i] = stored[index]
	}
	return hashes, nil
}

var nodes = tlog.HashReaderFunc(read)

// A cosigner signs and verifies cosignature/v1, as https://c2sp.org/tlog-cosignature says.
type cosigner struct {
	name    string
	public  ed25519.PublicKey
	private ed25519.PrivateKey
	time    uint64
}

func (c *cosigner) Name() string { return c.name }

func (c *cosigner) KeyHash() uint32 {
	sum := sha256.Sum256(append([]byte(c.name+"\n\x04"), c.public...))
	return binary.BigEndian.Uint32(sum[:])
}

func message(time uint64, text []byte) []byte {
	return append([]byte(fmt.Sprintf("cosignature/v1\ntime %d\n", time)), text...)
}

func (c *cosigner) Sign(text []byte) ([]byte, error) {
	signature := make([]byte, 8)
	binary.BigEndian.PutUint64(signature, c.time)
	return append(signature, ed25519.Sign(c.private, message(c.time, text))...), nil
}

func (c *cosigner) Verify(text, signature []byte) bool {
	return len(signature) == 72 &&
		ed25519.Verify(c.public, message(binary.BigEndian.Uint64(signature), text), signature[8:])
}

// verifier reads a vkey of type 0x01 or 0x04.
func verifier(vkey string) (note.Verifier, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) == 3 {
		key, err := base64.StdEncoding.DecodeString(parts[2])
		if err == nil && len(key) == 33 && key[0] == 4 {
			c := &cosigner{name: parts[0], public: key[1:]}
			if fmt.Sprintf("%08x", c.KeyHash()) != parts[1] {
				return nil, errors.New("invalid verifier hash")
			}
			return c, nil
		}
	}
	return note.NewVerifier(vkey)
}

// signer reads a private key of type 0x01 or 0x04.
func signer(skey string, time uint64) (note.Signer, error) {
	parts := strings.SplitN(skey, "+", 5)
	if len(parts) == 5 {
		key, err := base64.StdEncoding.DecodeString(parts[4])
		if err == nil && len(key) == 33 && key[0] == 4 {
			private := ed25519.NewKeyFromSeed(key[1:])
			return &cosigner{parts[2], private.Public().(ed25519.PublicKey), private, time}, nil
		}
	}
	return note.NewSigner(skey)
}

func do(r request) (a answer, err error) {
	switch r.Op {
	case "grow":
		for _, leaf := range r.Leaves {
			hashes, err := tlog.StoredHashesForRecordHash(size, leaf, nodes)
			if err != nil {
				return a, err
			}
			stored = append(stored, hashes...)
			size++
		}
	case "root":
		a.Hash, err = tlog.TreeHash(r.Size, nodes)
	case "prove record":
		a.Hashes, err = tlog.ProveRecord(r.Size, r.Index, nodes)
	case "prove tree":
		a.Hashes, err = tlog.ProveTree(r.Size, r.Old, nodes)
	case "check record":
		err = tlog.CheckRecord(r.Proof, r.Size, r.Root, r.Index, r.Leaf)
	case "check tree":
		err = tlog.CheckTree(r.Proof, r.Size, r.Root, r.Old, r.Before)
	case "tile":
		a.Data, err = tlog.ReadTileData(tlog.Tile{H: 8, L: r.Level, N: r.Index, W: r.Width}, nodes)
	case "generate":
		a.Secret, a.Key, err = note.GenerateKey(rand.Reader, r.Text)
	case "sign":
		signers := make([]note.Signer, len(r.Keys))
		for i, key := range r.Keys {
			if signers[i], err = signer(key, r.Time); err != nil {
				return
			}
		}
		a.Note, err = note.Sign(&note.Note{Text: r.Text}, signers...)
	case "open":
		verifiers := make([]note.Verifier, len(r.Keys))
		for i, key := range r.Keys {
			if verifiers[i], err = verifier(key); err != nil {
				return
			}
		}
		var n *note.Note
		if n, err = note.Open(r.Note, note.VerifierList(verifiers...)); err != nil {
			return
		}
		a.Text = n.Text
		for _, signature := range n.Sigs {
			a.Names = append(a.Names, signature.Name)
			raw, _ := base64.StdEncoding.DecodeString(signature.Base64)
			var time uint64
			if len(raw) == 4+72 {
				time = binary.BigEndian.Uint64(raw[4:])
			}
			a.Times = append(a.Times, time)
		}
	case "parse tree":
		var tree tlog.Tree
		tree, err = tlog.ParseTree(r.Note)
		a.Hash, a.Text = tree.Hash, fmt.Sprint(tree.N)
	default:
		err = fmt.Errorf("no such request: %q", r.Op)
	}
	return
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	decoder, encoder := json.NewDecoder(in), json.NewEncoder(out)
	for decoder.More() {
		var r request
		if err := decoder.Decode(&r); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		a, err := do(r)
		if err != nil {
			a.Error = err.Error()
		}
		if err := encoder.Encode(a); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
