package publish

// Names of the files beside a dataset, in the folder of its card.
const (
	CardName      = "README.md"
	CroissantName = "croissant.json"
	SumsName      = "SHA256SUMS"
	StatementName = "provenance.intoto.json"
	// EnvelopeName is the signed statement: a DSSE envelope over the bytes of
	// the file StatementName.
	EnvelopeName = StatementName + ".dsse"
	LineageName  = "lineage.jsonl"
	// LineageZstdName is the lineage of a dataset with many rows.
	LineageZstdName = LineageName + ".zst"
	PlotsFolder     = "plots"
)
