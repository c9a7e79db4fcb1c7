package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	classifier "github.com/google/licenseclassifier/v2"
	"github.com/google/licenseclassifier/v2/assets"
)

// licenseFile matches the names that licence texts go by.
var licenseFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense)([.-].*)?$`)

type licenseClassifier struct{ *classifier.Classifier }

func newClassifier() (licenseClassifier, error) {
	c, err := assets.DefaultClassifier()
	return licenseClassifier{c}, err
}

// moduleLicenses names the licences in the top folder of a module, sorted, each once.
func (c licenseClassifier) moduleLicenses(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() || !licenseFile.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		names = append(names, c.names(text)...)
	}
	if len(names) == 0 {
		return nil, errors.New("no licence was recognised in " + dir)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// names lists the licences that text holds; headers and mere mentions do not count.
func (c licenseClassifier) names(text []byte) []string {
	var names []string
	for _, match := range c.Match(text).Matches {
		if match.MatchType == "License" {
			names = append(names, match.Name)
		}
	}
	return names
}
