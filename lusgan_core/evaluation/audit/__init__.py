"""The memorisation audit: does a model's sample set hold copies of its training frames?"""
