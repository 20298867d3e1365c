"""Zuo and Drummond, Fast Residual Forests, CoRL 2017, on CamVid."""
