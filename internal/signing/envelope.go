package signing

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
)

// payloadType is what an in-toto statement is called in an envelope.
const payloadType = "application/vnd.in-toto+json"

// Sign gives the envelope of a statement, signed by the key. If old is an
// envelope of the same statement, the signatures of other keys in it stay.
func Sign(statement, old []byte, key *PrivateKey) ([]byte, error) {
	signer, err := dsse.NewEnvelopeSigner(key)
	if err != nil {
		return nil, err
	}
	e, err := signer.SignPayload(context.Background(), payloadType, statement)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	if before, err := parse(old); err == nil && before.Payload == e.Payload && before.PayloadType == e.PayloadType {
		for _, s := range before.Signatures {
			if s.KeyID != key.ID() {
				e.Signatures = append(e.Signatures, s)
			}
		}
		slices.SortFunc(e.Signatures, func(a, b dsse.Signature) int { return bytes.Compare([]byte(a.KeyID), []byte(b.KeyID)) })
	}
	text, err := json.Marshal(e)
	return append(text, '\n'), err
}

// parse reads an envelope, of which nothing is believed yet.
func parse(envelope []byte) (*dsse.Envelope, error) {
	var e dsse.Envelope
	if err := json.Unmarshal(envelope, &e); err != nil {
		return nil, fmt.Errorf("it is not a DSSE envelope: %w", err)
	}
	// In any other form there are bytes that could be changed unseen: space,
	// letters of names in another case, bits that base64 leaves over.
	same, err := json.Marshal(&e)
	canonical := err == nil && bytes.Equal(append(same, '\n'), envelope) && canonical64(e.Payload)
	for _, s := range e.Signatures {
		canonical = canonical && canonical64(s.Sig)
	}
	switch {
	case !canonical:
		return nil, errors.New("it is not in the one form that autosafe sign writes: it was changed, or another program made it; sign again with autosafe sign")
	case e.PayloadType != payloadType:
		return nil, fmt.Errorf("it holds %q, not %q", e.PayloadType, payloadType)
	case len(e.Signatures) == 0:
		return nil, errors.New("nobody has signed it")
	}
	return &e, nil
}

// canonical64 says whether a text is the one form of what it encodes.
func canonical64(text string) bool {
	b, err := base64.StdEncoding.DecodeString(text)
	return err == nil && base64.StdEncoding.EncodeToString(b) == text
}

// Signature is a signature of an envelope.
type Signature struct {
	KeyID string `json:"key"`
	// Valid says that one of the given keys made it over these bytes.
	Valid bool `json:"valid"`
}

// Check holds an envelope to the statement that it must hold, and to keys. It
// fails unless one of the keys has signed; without keys it only says who claims
// to have.
func Check(envelope, statement []byte, keys []*PublicKey) ([]Signature, error) {
	e, err := parse(envelope)
	if err != nil {
		return nil, err
	}
	payload, err := e.DecodeB64Payload()
	if err != nil {
		return nil, fmt.Errorf("its payload: %w", err)
	}
	list := make([]Signature, len(e.Signatures))
	valid := false
	for i, s := range e.Signatures {
		list[i].KeyID = s.KeyID
		one := *e
		one.Signatures = e.Signatures[i : i+1]
		list[i].Valid = accepted(&one, keys)
		valid = valid || list[i].Valid
	}
	switch {
	case !bytes.Equal(payload, statement):
		return list, errors.New("what was signed is another statement than the one that stands beside it: sign again if the dataset is yours, else do not use it")
	case len(keys) > 0 && !valid:
		return list, notBy(list, keys)
	}
	return list, nil
}

// accepted says whether one of the keys made the one signature of an envelope.
func accepted(e *dsse.Envelope, keys []*PublicKey) bool {
	if len(keys) == 0 {
		return false
	}
	verifiers := make([]dsse.Verifier, len(keys))
	for i, k := range keys {
		verifiers[i] = k
	}
	v, err := dsse.NewEnvelopeVerifier(verifiers...)
	if err != nil {
		return false
	}
	_, err = v.Verify(context.Background(), e)
	return err == nil
}

// notBy says in which way no signature is one of the keys'.
func notBy(list []Signature, keys []*PublicKey) error {
	for _, s := range list {
		if slices.ContainsFunc(keys, func(k *PublicKey) bool { return k.id == s.KeyID }) {
			return fmt.Errorf("the signature of the key %s does not fit: the envelope was changed after it was signed; do not use this dataset", short(s.KeyID))
		}
	}
	return fmt.Errorf("it is signed by the key %s, and not by %s, which was given", short(list[0].KeyID), short(keys[0].id))
}

// short is the beginning of a key's id, which another's file may have made up.
func short(id string) string {
	if len(id) > 16 {
		id = id[:16]
	}
	return fmt.Sprintf("%q", id)
}
