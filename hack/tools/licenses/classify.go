package main

import (
	"errors"
	"slices"

	classifier "github.com/google/licenseclassifier/v2"
	"github.com/google/licenseclassifier/v2/assets"
)

type licenseClassifier struct{ *classifier.Classifier }

func newClassifier() (licenseClassifier, error) {
	c, err := assets.DefaultClassifier()
	return licenseClassifier{c}, err
}

// licenses names those of the files, sorted, each once.
func (c licenseClassifier) licenses(files []file) ([]string, error) {
	var names []string
	for _, f := range files {
		names = append(names, c.names(f.text)...)
	}
	if len(names) == 0 {
		return nil, errors.New("no licence was recognised")
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
