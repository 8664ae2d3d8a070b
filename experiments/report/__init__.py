"""The results page, and the headline numbers: python -m experiments.report"""
