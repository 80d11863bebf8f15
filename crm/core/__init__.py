"""The rails: each module wraps one outside thing and knows no business."""
